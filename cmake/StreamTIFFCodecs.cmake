# streamtiff_codecs: the compression libraries that we call ourselves, each with its STREAMTIFF_HAVE_... defined. What
# is missing is left to libtiff.
option(STREAMTIFF_DIRECT_CODECS "Call libdeflate and libzstd directly where they are installed, not through libtiff" ON)

add_library(streamtiff_codecs INTERFACE)
set(STREAMTIFF_CODECS "")

include(CheckSymbolExists)

# Symbols are asked for that older versions than we need do not have, or that a library may keep to itself.
function(streamtiff_find_codec name header library)
  find_path(STREAMTIFF_${name}_INCLUDE_DIR ${header})
  find_library(STREAMTIFF_${name}_LIBRARY NAMES ${library})
  mark_as_advanced(STREAMTIFF_${name}_INCLUDE_DIR STREAMTIFF_${name}_LIBRARY)
  if(NOT STREAMTIFF_${name}_INCLUDE_DIR OR NOT STREAMTIFF_${name}_LIBRARY)
    return()
  endif()
  set(CMAKE_REQUIRED_INCLUDES "${STREAMTIFF_${name}_INCLUDE_DIR}")
  set(CMAKE_REQUIRED_LIBRARIES "${STREAMTIFF_${name}_LIBRARY}")
  set(CMAKE_REQUIRED_DEFINITIONS -DZSTD_STATIC_LINKING_ONLY)
  foreach(symbol IN LISTS ARGN)
    check_symbol_exists(${symbol} ${header} STREAMTIFF_HAVE_${symbol})
    if(NOT STREAMTIFF_HAVE_${symbol})
      return()
    endif()
  endforeach()
  target_include_directories(streamtiff_codecs INTERFACE "${STREAMTIFF_${name}_INCLUDE_DIR}")
  target_link_libraries(streamtiff_codecs INTERFACE "${STREAMTIFF_${name}_LIBRARY}")
  target_compile_definitions(streamtiff_codecs INTERFACE STREAMTIFF_HAVE_${name})
  set(STREAMTIFF_CODECS ${STREAMTIFF_CODECS} lib${library} PARENT_SCOPE)
endfunction()

if(STREAMTIFF_DIRECT_CODECS)
  streamtiff_find_codec(DEFLATE libdeflate.h deflate libdeflate_zlib_compress)
  streamtiff_find_codec(ZSTD zstd.h zstd ZSTD_compress2 ZSTD_getCParams ZSTD_estimateCCtxSize_usingCParams)
endif()

if(STREAMTIFF_CODECS)
  list(JOIN STREAMTIFF_CODECS ", " streamtiff_codec_names)
  message(STATUS "StreamTIFF: codecs called directly: ${streamtiff_codec_names}; all others through libtiff")
else()
  message(STATUS "StreamTIFF: codecs called directly: none; all of them through libtiff")
endif()
