bartizan_fuzz(virtio_queue_fuzz SOURCES ${CMAKE_CURRENT_LIST_DIR}/virtio_queue_fuzz.cpp USES vmm/virtio
              LINKS bartizan_guest_driver)
