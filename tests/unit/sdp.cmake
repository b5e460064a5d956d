sigbridge_unit(sdp sigbridge_proto)
sigbridge_unit(candidate sigbridge_proto)

pkg_check_modules(CJSON REQUIRED IMPORTED_TARGET libcjson)
pkg_check_modules(ZLIB REQUIRED IMPORTED_TARGET zlib)
sigbridge_unit(sdp_corpus sigbridge_proto PkgConfig::CJSON PkgConfig::ZLIB)
target_compile_definitions(test_sdp_corpus PRIVATE
  CORPUS_PACK="${PROJECT_SOURCE_DIR}/tests/data/corpus.jsonl.gz"
  CORPUS_DIRECTORY="${PROJECT_SOURCE_DIR}/../shared/corpus")
