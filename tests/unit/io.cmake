if(SIGBRIDGE_BRIDGE)
  sigbridge_unit(tls_pair sigbridge_io)
endif()
