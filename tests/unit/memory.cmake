# Stories in which memory runs out. sigbridge_memory_unit(NAME LIBRARY...) is sigbridge_unit(), with
# allocations that failing_memory.c can let fail.
function(sigbridge_memory_unit name)
  sigbridge_unit(${name} ${ARGN})
  target_sources(test_${name} PRIVATE failing_memory.c)
  target_include_directories(test_${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests/fake)
  foreach(function malloc calloc realloc strdup strndup asprintf getcwd realpath)
    target_link_options(test_${name} PRIVATE -Wl,--wrap=${function})
  endforeach()
endfunction()

sigbridge_memory_unit(base_memory sigbridge_base)
sigbridge_memory_unit(proto_memory sigbridge_proto)
sigbridge_memory_unit(policy_memory sigbridge_policy)

# The world of the other tests of core, but its own allocations never fail: only the core's do.
add_library(unfailing_world OBJECT ${PROJECT_SOURCE_DIR}/tests/fake/world.c)
target_link_libraries(unfailing_world PRIVATE sigbridge_core)
target_compile_definitions(unfailing_world PRIVATE malloc=__real_malloc strdup=__real_strdup)
sigbridge_memory_unit(oom sigbridge_core unfailing_world)

if(SIGBRIDGE_BRIDGE)
  sigbridge_memory_unit(config_memory sigbridge_config)
endif()
