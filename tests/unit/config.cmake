if(SIGBRIDGE_BRIDGE)
  foreach(part endpoint forms load many mistakes call_mistakes show tools trust data_dir change)
    sigbridge_unit(config_${part} sigbridge_config)
  endforeach()
  foreach(part load many mistakes call_mistakes trust change)
    target_sources(test_config_${part} PRIVATE
      ${PROJECT_SOURCE_DIR}/tests/unit/test_config_util.c)
  endforeach()
  target_compile_definitions(test_config_show PRIVATE
    CONFIG_DIRECTORY="${PROJECT_SOURCE_DIR}/bridge/config")
endif()
