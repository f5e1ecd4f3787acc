/* SPDX-License-Identifier: Apache-2.0
 *
 * What the key process may still ask of the kernel once its keys are loaded (seccomp): messages on open descriptors, memory,
 * time, randomness, its end. No file can be opened, no process started, no connection made, no identity taken.
 */
#include "key_wire.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#if defined(__x86_64__)
#define HF_AUDIT_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define HF_AUDIT_ARCH AUDIT_ARCH_AARCH64
#else
#define HF_AUDIT_ARCH 0 /* not confined there */
#endif

#define ALLOW(name) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (name), 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

/* A refused call answers EPERM rather than kill: sanitizers and libraries ask for more than they need. */
static const struct sock_filter rules[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, HF_AUDIT_ARCH, 1, 0),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    ALLOW(SYS_ppoll), ALLOW(SYS_recvfrom), ALLOW(SYS_recvmsg), ALLOW(SYS_sendto), ALLOW(SYS_sendmsg), ALLOW(SYS_read), ALLOW(SYS_write), ALLOW(SYS_writev),
    ALLOW(SYS_close), ALLOW(SYS_brk), ALLOW(SYS_mmap), ALLOW(SYS_munmap), ALLOW(SYS_mremap), ALLOW(SYS_mprotect), ALLOW(SYS_madvise),
    ALLOW(SYS_futex), ALLOW(SYS_getrandom), ALLOW(SYS_getpid), ALLOW(SYS_gettid), ALLOW(SYS_clock_gettime), ALLOW(SYS_clock_nanosleep),
    ALLOW(SYS_sigaltstack), ALLOW(SYS_rt_sigreturn), ALLOW(SYS_rt_sigprocmask), ALLOW(SYS_restart_syscall), ALLOW(SYS_sched_yield),
    ALLOW(SYS_exit), ALLOW(SYS_exit_group),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
};

bool hf_key_process_confine(void)
{
    const struct sock_fprog program = { .len = HF_COUNT(rules), .filter = (struct sock_filter *)rules };
    if (HF_AUDIT_ARCH == 0)
        return true;
    /* A kernel without seccomp keeps keys as well as it can: the process is still apart and unprivileged. */
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0 || errno == EINVAL || errno == ENOSYS;
}
