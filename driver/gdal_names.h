// What differs between GDAL's versions in the signatures that the adaptors override. C++ only.
#ifndef STF_GDAL_NAMES_H
#define STF_GDAL_NAMES_H

#include "cpl_string.h"
#include "gdal_priv.h"
#include "own_datasets.h"

#define STF_DRIVER_NAME "StreamTIFF"
#define STF_WRITER_NAME "StreamTIFFWriter"

// GDAL 3.13 made lists const that were not.
#if GDAL_VERSION_NUM >= GDAL_COMPUTE_VERSION(3, 13, 0)
using StringList = CSLConstList;
#else
using StringList = char **;
#endif

// The driver's calls for views (gdal_cached_dataset.cpp).
int StreamTIFFIdentify(GDALOpenInfo *info);
GDALDataset *StreamTIFFOpen(GDALOpenInfo *info);

// The first base of a dataset of ours: it goes last, when GDAL no longer lists the dataset.
class StfOwnDataset {
  public:
    StfOwnDataset() = default;

  protected:
    ~StfOwnDataset() { stf_own_datasets_remove(m_dataset); }
    void Own(GDALDataset *dataset) {
        m_dataset = GDALDataset::ToHandle(dataset);
        stf_own_datasets_add(m_dataset);
    }

  private:
    GDALDatasetH m_dataset = nullptr;

    CPL_DISALLOW_COPY_ASSIGN(StfOwnDataset)
};

#endif
