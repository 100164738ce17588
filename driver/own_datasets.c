#include "own_datasets.h"

#include "cpl_multiproc.h"
#include "cpl_vsi.h"

typedef struct own_dataset {
    struct own_dataset *next;
    GDALDatasetH dataset;
    GIntBig thread;
} own_dataset;

/* Guarded by the mutex, which the first dataset makes and nobody frees. */
static CPLMutex *mutex = NULL;
static own_dataset *first = NULL;

void stf_own_datasets_lock(void) {
    CPLCreateOrAcquireMutex(&mutex, 1000.0);
}

void stf_own_datasets_unlock(void) {
    CPLReleaseMutex(mutex);
}

void stf_own_datasets_add(GDALDatasetH dataset) {
    own_dataset *own = VSICalloc(1, sizeof *own);
    if (!own)
        return;
    own->dataset = dataset;
    own->thread = CPLGetPID();
    stf_own_datasets_lock();
    own->next = first;
    first = own;
    stf_own_datasets_unlock();
}

void stf_own_datasets_remove(GDALDatasetH dataset) {
    stf_own_datasets_lock();
    for (own_dataset **at = &first; *at; at = &(*at)->next)
        if ((*at)->dataset == dataset) {
            own_dataset *gone = *at;
            *at = gone->next;
            VSIFree(gone);
            break;
        }
    stf_own_datasets_unlock();
}

bool stf_own_datasets_any_of_another_thread(void) {
    const own_dataset *own = first;
    while (own && own->thread == CPLGetPID())
        own = own->next;
    return own != NULL;
}
