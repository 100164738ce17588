# Lets a module export one symbol and nothing else: not its own hidden-by-default functions only, but
# also no template instance or type information of the C++ library.
include(CheckLinkerFlag)

function(streamtiff_export_only target symbol)
  set(dir "${CMAKE_CURRENT_BINARY_DIR}/exports")
  if(APPLE)
    file(CONFIGURE OUTPUT "${dir}/${target}.exp" CONTENT "_${symbol}\n" @ONLY)
    target_link_options(${target} PRIVATE "LINKER:-exported_symbols_list,${dir}/${target}.exp")
  elseif(NOT WIN32)
    set(script "${dir}/${target}.map")
    file(CONFIGURE OUTPUT "${script}" CONTENT "{\n  global: ${symbol};\n  local: *;\n};\n" @ONLY)
    set(CMAKE_REQUIRED_QUIET ON)
    check_linker_flag(CXX "LINKER:--version-script=${script}" STREAMTIFF_HAVE_VERSION_SCRIPT)
    if(STREAMTIFF_HAVE_VERSION_SCRIPT)
      target_link_options(${target} PRIVATE "LINKER:--version-script=${script}")
      set_property(TARGET ${target} APPEND PROPERTY LINK_DEPENDS "${script}")
    endif()
    # What is missing must be found when linking, not when a user's program first calls it.
    check_linker_flag(CXX "LINKER:--no-undefined" STREAMTIFF_HAVE_NO_UNDEFINED)
    if(STREAMTIFF_HAVE_NO_UNDEFINED AND NOT STREAMTIFF_SANITIZER)
      target_link_options(${target} PRIVATE "LINKER:--no-undefined")
    endif()
  endif() # Windows exports what is marked for export
endfunction()
