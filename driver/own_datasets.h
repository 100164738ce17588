/* Our own datasets that are alive (results of copies, views), and the threads that made them.
 *
 * GDAL's list of open datasets holds those of other threads too, which may close them at any moment. For our own ones the
 * search in upstream.c is kept away from that: an entry here outlives the dataset's place in GDAL's list. */
#ifndef STF_OWN_DATASETS_H
#define STF_OWN_DATASETS_H

#include <stdbool.h>

#include "gdal.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Any thread. A dataset that finds no memory here is one that is not known. */
void stf_own_datasets_add(GDALDatasetH dataset);
/* After GDAL has let go of it: its address is all that is asked. */
void stf_own_datasets_remove(GDALDatasetH dataset);

/* Between these two no dataset of ours leaves GDAL's list unseen; keep it short. */
void stf_own_datasets_lock(void);
void stf_own_datasets_unlock(void);
/* Under the lock: one of ours was made by another thread than the calling one. */
bool stf_own_datasets_any_of_another_thread(void);

#ifdef __cplusplus
}
#endif
#endif
