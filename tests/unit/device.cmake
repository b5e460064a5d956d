# The device library. Its core is tested without libmosquitto, once as it is installed and once with
# the small bounds of firmware; its adapter against a real broker.
if(SIGBRIDGE_DEVICE)
  sigbridge_unit(device_topics sigdev::core)
  sigbridge_unit(device_write sigdev::core)
  sigbridge_unit(device_parse sigdev::core)

  set(device ${PROJECT_SOURCE_DIR}/clients/device-c)
  get_target_property(sources sigdev_core_objects SOURCES)
  list(TRANSFORM sources PREPEND ${device}/ REGEX "^src/")
  list(REMOVE_ITEM sources ${PROJECT_SOURCE_DIR}/bridge/base/problem.c)
  add_library(device_firmware STATIC ${sources} ${device}/src/problem_small.c)
  target_include_directories(device_firmware PUBLIC ${device}/include
    PRIVATE ${device}/src ${PROJECT_SOURCE_DIR}/bridge)
  target_compile_definitions(device_firmware PRIVATE JSON_OPEN_KEYS=32 ENVELOPE_MEMBERS=24)
  foreach(name device_write device_parse)
    add_executable(test_${name}_firmware test_${name}.c)
    target_link_libraries(test_${name}_firmware PRIVATE device_firmware PkgConfig::CMOCKA)
    add_test(NAME unit.${name}_firmware COMMAND test_${name}_firmware)
  endforeach()
endif()

if(TARGET sigdev::mosquitto)
  find_program(MOSQUITTO mosquitto PATHS /usr/sbin /usr/local/sbin REQUIRED)
  find_program(MOSQUITTO_PASSWD mosquitto_passwd REQUIRED)
  find_program(OPENSSL openssl REQUIRED)
  foreach(name device_mosquitto device_trouble device_lasting)
    sigbridge_unit(${name} sigdev::mosquitto)
    target_sources(test_${name} PRIVATE test_device_world.c)
    target_compile_definitions(test_${name} PRIVATE MOSQUITTO="${MOSQUITTO}"
      MOSQUITTO_PASSWD="${MOSQUITTO_PASSWD}" OPENSSL="${OPENSSL}")
    set_tests_properties(unit.${name} PROPERTIES TIMEOUT 300)
  endforeach()
  target_sources(test_device_trouble PRIVATE test_device_fake.c)
  target_sources(test_device_lasting PRIVATE test_device_fake.c test_device_line.c)
  target_link_options(test_device_lasting PRIVATE -Wl,--wrap=clock_gettime)

  add_test(NAME integration.device_install
    COMMAND sh ${PROJECT_SOURCE_DIR}/tests/integration/device_install.sh)
  set_tests_properties(integration.device_install PROPERTIES TIMEOUT 300)
endif()
