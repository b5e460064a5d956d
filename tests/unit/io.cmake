if(SIGBRIDGE_BRIDGE)
  sigbridge_unit(tls_pair sigbridge_io)
  sigbridge_unit(tls_memory sigbridge_io)
endif()
