pkg_check_modules(LIBCONFIG REQUIRED IMPORTED_TARGET libconfig)
sigbridge_fuzz(config
  base/buf.c base/buf_heap.c base/problem.c base/status.c base/text.c
  proto/address.c proto/names.c proto/network.c
  config/args.c config/complaint.c config/config.c config/endpoint.c config/file.c config/forms.c
  config/nearest.c config/options.c config/place.c config/scan.c config/show.c
  config/trust.c config/value.c config/web_origin.c config/when.c)
target_link_libraries(fuzz_config PRIVATE PkgConfig::LIBCONFIG)
