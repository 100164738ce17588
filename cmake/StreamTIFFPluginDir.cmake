# STREAMTIFF_INSTALL_DIR: the folder GDAL loads plugins from when GDAL_DRIVER_PATH is not set.
# In this order: STREAMTIFF_PLUGIN_DIR, gdal-config --plugindir (GDAL >= 3.10), and gdalplugins beside
# the GDAL library, which is GDAL's own rule.
set(STREAMTIFF_INSTALL_DIR "${STREAMTIFF_PLUGIN_DIR}")

if(NOT STREAMTIFF_INSTALL_DIR AND NOT WIN32)
  find_program(GDAL_CONFIG gdal-config) # FindGDAL's own variable
  if(GDAL_CONFIG)
    execute_process(COMMAND "${GDAL_CONFIG}" --plugindir
      OUTPUT_VARIABLE dir OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE result)
    if(result EQUAL 0 AND IS_ABSOLUTE "${dir}")
      set(STREAMTIFF_INSTALL_DIR "${dir}")
    endif()
  endif()
endif()

if(NOT STREAMTIFF_INSTALL_DIR)
  set(library "")
  get_target_property(configs GDAL::GDAL IMPORTED_CONFIGURATIONS)
  foreach(property IN ITEMS IMPORTED_LOCATION ${configs})
    if(NOT property STREQUAL "IMPORTED_LOCATION")
      string(PREPEND property "IMPORTED_LOCATION_")
    endif()
    get_target_property(location GDAL::GDAL ${property})
    if(location)
      set(library "${location}")
      break()
    endif()
  endforeach()
  if(library)
    get_filename_component(dir "${library}" DIRECTORY)
    set(STREAMTIFF_INSTALL_DIR "${dir}/gdalplugins")
  else()
    include(GNUInstallDirs)
    set(STREAMTIFF_INSTALL_DIR "${CMAKE_INSTALL_LIBDIR}/gdalplugins")
  endif()
endif()
