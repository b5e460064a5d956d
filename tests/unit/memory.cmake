# Stories in which memory runs out. sigbridge_memory_unit(NAME LIBRARY...) is sigbridge_unit() for
# test_NAME_memory.c, whose allocations failing_memory.c can let fail.
function(sigbridge_memory_unit name)
  sigbridge_unit(${name}_memory ${ARGN})
  target_sources(test_${name}_memory PRIVATE failing_memory.c)
  foreach(function malloc calloc realloc strdup strndup asprintf getcwd realpath)
    target_link_options(test_${name}_memory PRIVATE -Wl,--wrap=${function})
  endforeach()
endfunction()

sigbridge_memory_unit(base sigbridge_base)
sigbridge_memory_unit(proto sigbridge_proto)
target_include_directories(test_proto_memory PRIVATE ${PROJECT_SOURCE_DIR}/tests/fake)
sigbridge_memory_unit(policy sigbridge_policy)
target_include_directories(test_policy_memory PRIVATE ${PROJECT_SOURCE_DIR}/tests/fake)
if(SIGBRIDGE_BRIDGE)
  sigbridge_memory_unit(config sigbridge_config)
endif()
