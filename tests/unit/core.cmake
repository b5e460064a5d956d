sigbridge_unit(call sigbridge_core)
sigbridge_unit(recent sigbridge_core)
sigbridge_unit(rate sigbridge_policy)
sigbridge_unit(visitors sigbridge_policy)
sigbridge_unit(metrics sigbridge_core)
foreach(part admission transit membership forward roster outage bridges)
  sigbridge_unit(${part} sigbridge_core)
  target_sources(test_${part} PRIVATE ${PROJECT_SOURCE_DIR}/tests/fake/world.c)
  target_include_directories(test_${part} PRIVATE ${PROJECT_SOURCE_DIR}/tests/fake)
endforeach()

# The same world, but its own allocations never fail: only the core's do.
add_library(unfailing_world OBJECT ${PROJECT_SOURCE_DIR}/tests/fake/world.c)
target_link_libraries(unfailing_world PRIVATE sigbridge_core)
target_compile_definitions(unfailing_world PRIVATE malloc=__real_malloc strdup=__real_strdup)
sigbridge_unit(oom sigbridge_core unfailing_world)
target_include_directories(test_oom PRIVATE ${PROJECT_SOURCE_DIR}/tests/fake)
target_link_options(test_oom PRIVATE
  -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=strdup)
