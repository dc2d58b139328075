# One source, a target for each device.
foreach(device console block rng vsock net)
  bartizan_fuzz(virtio_${device}_fuzz SOURCES ${CMAKE_CURRENT_LIST_DIR}/virtio_any_device.cpp USES vmm/virtio
                LINKS bartizan_guest_driver)
  target_compile_definitions(virtio_${device}_fuzz PRIVATE BARTIZAN_FUZZ_DEVICE=make_${device})
endforeach()
