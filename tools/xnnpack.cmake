# What Octet needs of XNNPACK, in a third of the time. Read by CMake after XNNPACK's project(), done when its lists
# are complete.
cmake_language(DEFER CALL unite_microkernels)
cmake_language(DEFER CALL drop_targets)

# Compiles microkernels by the hundred instead of one by one: nearly all of what a single one costs is the headers
# of intrinsics. Those of one instruction set have the same flags.
function(unite_microkernels)
  get_target_property(sources microkernels-prod SOURCES)
  list(REMOVE_DUPLICATES sources)
  set(kept "")
  set(groups "")
  foreach(source IN LISTS sources)
    if(NOT source MATCHES "\\.c$")
      list(APPEND kept "${source}")
      continue()
    endif()
    get_source_file_property(flags "${source}" COMPILE_FLAGS)
    # Portable code names its vectors as the instruction sets do and gives shared tables other types: where both have
    # the same flags, it stays apart.
    if(source MATCHES "scalar")
      string(MD5 group "${flags} portable")
    else()
      string(MD5 group "${flags}")
    endif()
    if(NOT group IN_LIST groups)
      list(APPEND groups ${group})
      set(flags_${group} "${flags}")
    endif()
    list(APPEND files_${group} "${source}")
  endforeach()
  foreach(group IN LISTS groups)
    set(text "")
    set(n 0)
    foreach(source IN LISTS files_${group})
      # Many have a static table of this name, not all the same one.
      string(APPEND text
        "#define mask_table mask_table_${n}\n#include \"${CMAKE_CURRENT_SOURCE_DIR}/${source}\"\n#undef mask_table\n")
      math(EXPR n "${n} + 1")
    endforeach()
    set(file "${CMAKE_CURRENT_BINARY_DIR}/united/${group}.c")
    file(CONFIGURE OUTPUT "${file}" CONTENT "${text}" @ONLY)
    if(flags_${group})
      set_source_files_properties("${file}" PROPERTIES COMPILE_FLAGS "${flags_${group}}")
    endif()
    list(APPEND kept "${file}")
  endforeach()
  set_target_properties(microkernels-prod PROPERTIES SOURCES "${kept}")
endfunction()

# Graphs are Octet's own, and nothing else of XNNPACK uses its subgraphs; cpuinfo's second library is for its tests.
function(drop_targets)
  get_target_property(libraries XNNPACK LINK_LIBRARIES)
  list(REMOVE_ITEM libraries subgraph)
  set_target_properties(XNNPACK PROPERTIES LINK_LIBRARIES "${libraries}")
  set_target_properties(subgraph cpuinfo_internals PROPERTIES EXCLUDE_FROM_ALL TRUE)
endfunction()
