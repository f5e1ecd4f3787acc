/* SPDX-License-Identifier: Apache-2.0 */
#include "privileges.h"

#include <grp.h>
#include <linux/capability.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The C library has no call of its own for these, and libcap would be one more dependency for two of them. */
static bool set_capabilities(uint32_t wanted)
{
    struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
    const struct __user_cap_data_struct data[2] = { { .effective = wanted, .permitted = wanted } };
    return syscall(SYS_capset, &head, data) == 0;
}

bool hf_privileges_become(const char *user, uid_t uid, gid_t gid)
{
    /* capabilities(7): they are lost when the user ids cease to be 0, unless this was asked for. */
    (void)prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0);
    if (initgroups(user, gid) != 0 || setresgid(gid, gid, gid) != 0 || setresuid(uid, uid, uid) != 0)
        return false;
    /* Without the right to bind, a reload that asks for a low port says so: that is no reason not to begin. */
    if (!set_capabilities(1u << CAP_NET_BIND_SERVICE))
        (void)set_capabilities(0);
    (void)prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0);
    return true;
}

void hf_privileges_drop(void)
{
    if (getuid() != 0)
        (void)set_capabilities(0);
    (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}
