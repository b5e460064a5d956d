if(SIGBRIDGE_BRIDGE)
  foreach(part store store_damaged store_disk store_kill store_migrate store_queue store_query
      store_retention)
    sigbridge_unit(${part} sigbridge_store)
    target_sources(test_${part} PRIVATE test_store_util.c)
  endforeach()
  target_compile_definitions(test_store_migrate
    PRIVATE TEST_STORE_V1="${CMAKE_CURRENT_SOURCE_DIR}/test_store_v1.sql")
endif()
