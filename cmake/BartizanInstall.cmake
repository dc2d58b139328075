# What `cmake --install` gives: headers, libbartizan.so.0 and libbartizan_tools.so.0 (C), libbartizan_cpp.a (C++: all
# components in one archive), the command with its manual pages and completion, pkg-config and CMake package files, documents.
include(CMakePackageConfigHelpers)

# Everything that `item` links, directly and not: components into `components`, other libraries as -l options into `externals`.
function(bartizan_link_closure item)
  string(REGEX REPLACE "^\\$<LINK_ONLY:(.*)>$" "\\1" item "${item}")
  get_property(seen GLOBAL PROPERTY bartizan_seen)
  if(item STREQUAL "" OR item IN_LIST seen OR item MATCHES "^\\$<")
    return()
  endif()
  set_property(GLOBAL APPEND PROPERTY bartizan_seen "${item}")
  set(location ${item})
  set(next "")
  if(item MATCHES "^PkgConfig::(.+)$" AND NOT TARGET ${item})
    # A target of the component's own folder; what pkg-config said of it is in the cache.
    set(location "")
    set(next ${${CMAKE_MATCH_1}_LIBRARIES})
  endif()
  if(TARGET ${item})
    set(location "")
    get_target_property(imported ${item} IMPORTED)
    get_target_property(type ${item} TYPE)
    if(type STREQUAL "INTERFACE_LIBRARY" OR imported)
      get_target_property(next ${item} INTERFACE_LINK_LIBRARIES)
    else()
      get_target_property(next ${item} LINK_LIBRARIES)
    endif()
    if(NOT imported AND type STREQUAL "STATIC_LIBRARY")
      set_property(GLOBAL APPEND PROPERTY bartizan_rooms ${item})
    elseif(imported AND NOT type STREQUAL "INTERFACE_LIBRARY")
      foreach(kind "" _RELEASE _RELWITHDEBINFO _NONE)
        get_target_property(found ${item} IMPORTED_LOCATION${kind})
        if(found)
          set(location ${found})
        endif()
      endforeach()
    endif()
  endif()
  if(location MATCHES "(^|/)lib([^/]+)\\.(so|a)")
    set_property(GLOBAL APPEND PROPERTY bartizan_externals -l${CMAKE_MATCH_2})
  elseif(location MATCHES "^-" OR location MATCHES "^[a-z0-9]+$")
    string(REGEX REPLACE "^(-l)?([a-z0-9]+)$" "-l\\2" option ${location})
    set_property(GLOBAL APPEND PROPERTY bartizan_externals ${option})
  endif()
  foreach(another ${next})
    if(another)
      bartizan_link_closure("${another}")
    endif()
  endforeach()
endfunction()

find_package(ZLIB REQUIRED)  # components find it in their own folders only
bartizan_link_closure(bartizan_cpp)
get_property(components GLOBAL PROPERTY bartizan_rooms)
get_property(externals GLOBAL PROPERTY bartizan_externals)
list(REMOVE_DUPLICATES externals)
list(APPEND externals -pthread)
list(JOIN externals " " BARTIZAN_PRIVATE_LIBS)

set(archive ${CMAKE_BINARY_DIR}/libbartizan_cpp.a)
set(script "CREATE ${archive}\n")
foreach(component ${components})
  string(APPEND script "ADDLIB $<TARGET_FILE:${component}>\n")
endforeach()
file(GENERATE OUTPUT ${CMAKE_BINARY_DIR}/libbartizan_cpp.mri CONTENT "${script}SAVE\nEND\n")
add_custom_command(OUTPUT ${archive}
  COMMAND ${CMAKE_COMMAND} -E rm -f ${archive}
  COMMAND ${CMAKE_AR} -M < ${CMAKE_BINARY_DIR}/libbartizan_cpp.mri
  DEPENDS ${components} ${CMAKE_BINARY_DIR}/libbartizan_cpp.mri VERBATIM)
add_custom_target(bartizan_cpp_archive ALL DEPENDS ${archive})

file(RELATIVE_PATH BARTIZAN_PREFIX /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
foreach(name bartizan bartizan-tools bartizan-cpp)
  configure_file(${CMAKE_CURRENT_LIST_DIR}/${name}.pc.in ${CMAKE_BINARY_DIR}/${name}.pc @ONLY)
endforeach()
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/BartizanConfig.cmake.in ${CMAKE_BINARY_DIR}/BartizanConfig.cmake
  INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/Bartizan PATH_VARS CMAKE_INSTALL_INCLUDEDIR CMAKE_INSTALL_LIBDIR)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/BartizanConfigVersion.cmake COMPATIBILITY SameMinorVersion)

# Components: runtime (shared libraries, init, licence), krun (bindings/krun), cli, dev, doc.
install(TARGETS bartizan_shared bartizan_tools_shared
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT runtime NAMELINK_COMPONENT dev)
install(FILES ${archive} DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT dev)
install(FILES ${CMAKE_SOURCE_DIR}/include/bartizan.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT dev)
install(DIRECTORY ${CMAKE_SOURCE_DIR}/include/bartizan DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT dev)
install(FILES ${CMAKE_BINARY_DIR}/bartizan.pc ${CMAKE_BINARY_DIR}/bartizan-tools.pc ${CMAKE_BINARY_DIR}/bartizan-cpp.pc
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT dev)
# find_package() may write the name in either case: it finds the folder in both, and a file of its own for each.
set(package ${CMAKE_INSTALL_LIBDIR}/cmake/Bartizan)
install(FILES ${CMAKE_BINARY_DIR}/BartizanConfig.cmake ${CMAKE_BINARY_DIR}/BartizanConfigVersion.cmake
  DESTINATION ${package} COMPONENT dev)
foreach(part "" -version)
  string(REPLACE "-v" "V" camel "${part}")
  file(WRITE ${CMAKE_BINARY_DIR}/bartizan-config${part}.cmake
    "include(\"\${CMAKE_CURRENT_LIST_DIR}/BartizanConfig${camel}.cmake\")\n")
  install(FILES ${CMAKE_BINARY_DIR}/bartizan-config${part}.cmake DESTINATION ${package} COMPONENT dev)
endforeach()

install(DIRECTORY ${CMAKE_SOURCE_DIR}/man/ DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 COMPONENT cli)
install(FILES ${CMAKE_SOURCE_DIR}/src/cli/generated/bartizan.bash RENAME bartizan
  DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions COMPONENT cli)

# The broker as a service. The unit of the sources is that of an installation in /usr; the prefix is known when it is installed.
set(unit ${CMAKE_BINARY_DIR}/bartizan-broker.service)
install(CODE "file(READ ${CMAKE_SOURCE_DIR}/packaging/systemd/bartizan-broker.service text)
string(REPLACE \"=/usr/bin/\" \"=\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_BINDIR}/\" text \"\${text}\")
file(WRITE ${unit} \"\${text}\")" COMPONENT cli)
install(FILES ${unit} DESTINATION lib/systemd/system COMPONENT cli)
install(FILES ${CMAKE_SOURCE_DIR}/packaging/systemd/bartizan-broker.sysusers RENAME bartizan-broker.conf
  DESTINATION lib/sysusers.d COMPONENT cli)
install(FILES ${CMAKE_SOURCE_DIR}/packaging/broker.toml DESTINATION ${CMAKE_INSTALL_DATADIR}/bartizan COMPONENT cli)

install(FILES ${CMAKE_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT runtime)
install(FILES ${CMAKE_SOURCE_DIR}/README.md ${CMAKE_SOURCE_DIR}/CHANGELOG.md ${CMAKE_SOURCE_DIR}/SECURITY.md
  DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT doc)
install(DIRECTORY ${CMAKE_SOURCE_DIR}/docs DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT doc)

if(NOT CMAKE_BUILD_TYPE STREQUAL "Release")
  install(CODE "message(WARNING \"This is a ${CMAKE_BUILD_TYPE} build, for developers: large and slow. Install a Release build: \
scripts/build release && cmake --install build/release --strip\")" ALL_COMPONENTS)
endif()

# What the last `cmake --install` of this build folder wrote is removed, and the folders that it alone filled.
add_custom_target(uninstall VERBATIM
  COMMAND ${CMAKE_COMMAND} -D BUILD=${CMAKE_BINARY_DIR} -P ${CMAKE_CURRENT_LIST_DIR}/uninstall.cmake)
