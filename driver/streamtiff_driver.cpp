// Registers the driver. No logic: what is decided here is only which call answers.

#include "cached_dataset.h"
#include "create_copy.h"
#include "gdal_names.h"
#include "gdal_writer.h"
#include "options.h"

#include "cpl_conv.h"

namespace {

GDALDataset *CreateCopy(const char *target, GDALDataset *source, int strict, StringList options,
                        GDALProgressFunc progress, void *progress_data) {
    return GDALDataset::FromHandle(
        stf_create_copy(target, GDALDataset::ToHandle(source), strict, options, progress, progress_data));
}

} // namespace

// CPL_DLL is empty outside of GDAL's own build, and everything else is compiled hidden.
#if defined(_WIN32)
#define STF_EXPORT __declspec(dllexport)
#else
#define STF_EXPORT __attribute__((visibility("default")))
#endif

extern "C" STF_EXPORT void GDALRegister_StreamTIFF(void);

namespace {

GDALDriver *NewDriver(const char *name, const char *long_name, const char *option_list) {
    GDALDriver *driver = new GDALDriver();
    driver->SetDescription(name);
    driver->SetMetadataItem(GDAL_DCAP_RASTER, "YES");
    driver->SetMetadataItem(GDAL_DCAP_VIRTUALIO, "YES");
    driver->SetMetadataItem(GDAL_DMD_LONGNAME, long_name);
    driver->SetMetadataItem(GDAL_DMD_HELPTOPIC, "drivers/raster/streamtiff.html");
    driver->SetMetadataItem(GDAL_DMD_CREATIONDATATYPES, "Byte "
#if GDAL_VERSION_NUM >= GDAL_COMPUTE_VERSION(3, 7, 0)
                                                        "Int8 "
#endif
                                                        "UInt16 Int16 UInt32 Int32 UInt64 Int64 Float32 Float64 "
                                                        "CInt16 CInt32 CFloat32 CFloat64");
    driver->SetMetadataItem(GDAL_DMD_CREATIONOPTIONLIST, option_list);
    driver->pfnCreateCopy = CreateCopy;
    return driver;
}

} // namespace

// Opens by its prefix, and has no file extension: an unlisted plugin stands before GTiff and would take its files.
// No Create: programs hand over a dataset to pull from only where there is none. Those that push windows have a driver
// of their own, with an extension that no other driver has: lists of formats leave out a driver without one.
void GDALRegister_StreamTIFF(void) {
    if (!GDAL_CHECK_VERSION(STF_DRIVER_NAME) || GDALGetDriverByName(STF_DRIVER_NAME) != nullptr)
        return;
    char *option_list = stf_options_list_xml(); // once for both: every program that loads the plugin waits for it
    GDALDriver *driver = NewDriver(STF_DRIVER_NAME, "GeoTIFF streamed under a memory cap", option_list);
    driver->SetMetadataItem(GDAL_DMD_CONNECTION_PREFIX, STF_VIEW_PREFIX);
    driver->SetMetadataItem(GDAL_DMD_OPENOPTIONLIST, stf_view_option_list);
    driver->pfnIdentify = StreamTIFFIdentify;
    driver->pfnOpen = StreamTIFFOpen;
    GetGDALDriverManager()->RegisterDriver(driver);
    GDALDriver *writer =
        NewDriver(STF_WRITER_NAME, "GeoTIFF streamed under a memory cap, for programs that write windows", option_list);
    CPLFree(option_list);
    writer->SetMetadataItem(GDAL_DMD_EXTENSION, "stif");
    writer->SetMetadataItem(GDAL_DMD_EXTENSIONS, "stif");
    writer->pfnCreate = StreamTIFFWriterCreate;
    GetGDALDriverManager()->RegisterDriver(writer);
}
