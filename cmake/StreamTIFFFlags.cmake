# streamtiff_flags: what every target of ours is compiled with, and nothing that links it inherits.
add_library(streamtiff_flags INTERFACE)

if(MSVC)
  target_compile_options(streamtiff_flags INTERFACE /W4 $<$<BOOL:${STREAMTIFF_WERROR}>:/WX>)
else()
  target_compile_options(streamtiff_flags INTERFACE
    -Wall -Wextra -Wshadow -Wconversion -Wvla $<$<BOOL:${STREAMTIFF_WERROR}>:-Werror>)
endif()

# One spelling for all that follows: address,undefined
string(REPLACE ";" "," STREAMTIFF_SANITIZER "${STREAMTIFF_SANITIZE}")
if(STREAMTIFF_SANITIZER)
  set(flags -fsanitize=${STREAMTIFF_SANITIZER} -fno-omit-frame-pointer)
  if(STREAMTIFF_SANITIZER MATCHES "undefined")
    list(APPEND flags -fno-sanitize-recover=all)
  endif()
  target_compile_options(streamtiff_flags INTERFACE ${flags})
  target_link_options(streamtiff_flags INTERFACE ${flags})
endif()

# STREAMTIFF_ASAN_PRELOAD: what a program that is not instrumented (python3, gdal_translate) has to preload
# to be able to load the plugin, whose run-time must therefore be the shared one. libstdc++ goes along
# because ASan looks for __cxa_throw at start-up, and python3 itself is not linked with it.
set(STREAMTIFF_ASAN_PRELOAD "")
if(STREAMTIFF_SANITIZER MATCHES "address" AND NOT APPLE AND NOT WIN32)
  if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    set(runtime_names libclang_rt.asan-${CMAKE_SYSTEM_PROCESSOR}.so libclang_rt.asan.so)
  else()
    set(runtime_names libasan.so)
  endif()
  foreach(name IN ITEMS ${runtime_names} libstdc++.so.6)
    execute_process(COMMAND "${CMAKE_CXX_COMPILER}" "-print-file-name=${name}"
      OUTPUT_VARIABLE path OUTPUT_STRIP_TRAILING_WHITESPACE)
    if(IS_ABSOLUTE "${path}" AND EXISTS "${path}")
      get_filename_component(dir "${path}" DIRECTORY)
      get_filename_component(path "${path}" REALPATH)
      list(APPEND STREAMTIFF_ASAN_PRELOAD "${path}")
      if(CMAKE_CXX_COMPILER_ID MATCHES "Clang" AND NOT name MATCHES "stdc")
        target_link_options(streamtiff_flags INTERFACE -shared-libsan "LINKER:-rpath,${dir}")
      endif()
    endif()
  endforeach()
  list(JOIN STREAMTIFF_ASAN_PRELOAD ":" STREAMTIFF_ASAN_PRELOAD)
endif()
