/* SPDX-License-Identifier: Apache-2.0 */
#include "roots.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* Where systems keep the roots that they trust. */
static const char *const places[] = { "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem" };

enum { FILE_MOST = 4 << 20 };

static hf_err tell(hf_writer *why, const char *path, const char *what)
{
    hf_write_text(why, path);
    hf_write_text(why, ": ");
    hf_write_text(why, what);
    return hf_err_make(HF_ERR_TLS_CERT_UNREADABLE);
}

static hf_err add_file(hf_trust *trust, const char *path, hf_writer *why)
{
    const bool standard = strcmp(path, "-") == 0;
    FILE *const f = standard ? stdin : fopen(path, "re");
    if (f == NULL)
        return tell(why, path, strerror(errno));
    char *const text = malloc(FILE_MOST);
    const size_t n = text != NULL ? fread(text, 1, FILE_MOST, f) : 0;
    const bool good = text != NULL && !ferror(f) && n < FILE_MOST;
    if (!standard)
        fclose(f);
    size_t added = 0;
    const hf_err err = good ? hf_trust_add(trust, hf_bytes_make(text, n), &added) : hf_err_make(HF_ERR_TLS_CERT_UNREADABLE);
    free(text);
    return err.code == 0 && added > 0 ? HF_OK : tell(why, path, good ? "it holds no certificate in PEM" : "it cannot be read");
}

hf_err hf_roots_add(hf_trust *trust, const char *path, hf_writer *why)
{
    const char *const told = path != NULL ? path : getenv("SSL_CERT_FILE");
    if (told != NULL)
        return add_file(trust, told, why);
    for (size_t i = 0; i < HF_COUNT(places); i++) {
        FILE *const f = fopen(places[i], "re");
        if (f == NULL)
            continue;
        fclose(f);
        return add_file(trust, places[i], why);
    }
    return tell(why, "roots", "this system keeps them at no place that is known here: name a file");
}
