/* SPDX-License-Identifier: Apache-2.0
 *
 * Stands in for libFuzzer in ordinary builds: runs a target once over every file of its corpus, so that what a fuzzer
 * once found is looked at in every test run, with every compiler and sanitizer. Speaks TAP.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Exactly as long as the input, so that a sanitizer sees a read past its end. */
static int replay(const char *path)
{
    FILE *f = fopen(path, "rb");
    struct stat st;
    if (!f || fstat(fileno(f), &st) != 0)
        return -1;
    const size_t size = (size_t)st.st_size;
    uint8_t *data = malloc(size ? size : 1);
    const int answer = data && fread(data, 1, size, f) == size ? LLVMFuzzerTestOneInput(data, size) : -1;
    free(data);
    fclose(f);
    return answer;
}

int main(int argc, char **argv)
{
    DIR *corpus = argc == 2 ? opendir(argv[1]) : NULL;
    if (!corpus) {
        printf("1..1\nnot ok 1 - there is no corpus %s: tools/fuzz keep makes it\n", argc > 1 ? argv[1] : "");
        return 1;
    }
    int files = 0, failed = 0;
    const struct dirent *entry;
    while ((entry = readdir(corpus)) != NULL) {
        if (entry->d_name[0] == '.')
            continue;
        char path[4096];
        snprintf(path, sizeof path, "%s/%s", argv[1], entry->d_name);
        const int answer = replay(path);
        files++;
        failed += answer != 0;
        if (answer != 0)
            printf("# %s: answered %d\n", path, answer);
    }
    closedir(corpus);
    printf("1..1\n%s 1 - %d files of the corpus run through\n", failed || files == 0 ? "not ok" : "ok", files);
    return failed || files == 0;
}
