sigbridge_unit(ice_filter sigbridge_policy)
target_link_options(test_ice_filter PRIVATE -Wl,--wrap=malloc,--wrap=calloc)
sigbridge_unit(turn sigbridge_policy)

pkg_check_modules(CJSON REQUIRED IMPORTED_TARGET libcjson)
pkg_check_modules(ZLIB REQUIRED IMPORTED_TARGET zlib)
sigbridge_unit(ice_filter_corpus sigbridge_policy PkgConfig::CJSON PkgConfig::ZLIB)
target_sources(test_ice_filter_corpus PRIVATE ${PROJECT_SOURCE_DIR}/tests/fake/ice_rules.c)
target_include_directories(test_ice_filter_corpus PRIVATE ${PROJECT_SOURCE_DIR}/tests/fake)
target_compile_definitions(test_ice_filter_corpus PRIVATE
  CORPUS_PACK="${PROJECT_SOURCE_DIR}/tests/data/corpus.jsonl.gz"
  CORPUS_DIRECTORY="${PROJECT_SOURCE_DIR}/../shared/corpus")

sigbridge_unit(budget sigbridge_policy PkgConfig::CJSON PkgConfig::ZLIB)
target_compile_definitions(test_budget PRIVATE
  CORPUS_PACK="${PROJECT_SOURCE_DIR}/tests/data/corpus.jsonl.gz")
sigbridge_unit(origin sigbridge_policy)
sigbridge_unit(forwarded sigbridge_policy)
sigbridge_unit(web_path sigbridge_policy)
