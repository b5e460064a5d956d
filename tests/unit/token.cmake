# Tokens. The tests make their keys and sign by hand, so they need libcrypto too.
if(SIGBRIDGE_BRIDGE)
  pkg_check_modules(CRYPTO REQUIRED IMPORTED_TARGET libcrypto)
  foreach(part token token_keys token_memory)
    sigbridge_unit(${part} sigbridge_policy PkgConfig::CRYPTO)
    target_sources(test_${part} PRIVATE test_token_util.c)
  endforeach()
  sigbridge_unit(access sigbridge_policy)
endif()
