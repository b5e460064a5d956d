pkg_check_modules(CRYPTO REQUIRED IMPORTED_TARGET libcrypto)
sigbridge_fuzz(token base/buf.c base/buf_heap.c base/problem.c base/status.c base/text.c
  proto/json.c proto/json_known.c proto/json_text.c proto/names.c
  policy/access.c policy/jwk.c policy/token.c policy/token_base64.c policy/token_key.c
  policy/token_key_use.c policy/token_keys.c policy/token_number.c policy/token_sign.c)
target_link_libraries(fuzz_token PRIVATE PkgConfig::CRYPTO)
