if(SIGBRIDGE_BRIDGE)
  sigbridge_unit(broker sigbridge_io)
  set_tests_properties(unit.broker PROPERTIES TIMEOUT 120)
endif()
