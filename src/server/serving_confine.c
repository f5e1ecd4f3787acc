/* SPDX-License-Identifier: Apache-2.0 */
#include "sanitized.h"
#include "serving_confine.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <handfast/base.h>

#if defined(__x86_64__)
#define HF_OUR_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define HF_OUR_ARCH AUDIT_ARCH_AARCH64
#else
#define HF_OUR_ARCH 0 /* not confined there */
#endif

/* Calls that only the older architectures have. */
#ifdef __x86_64__
#define HF_OLD_CALLS(X) X(open) X(stat) X(lstat) X(access) X(readlink) X(unlink) X(rename) X(mkdir) X(chmod) X(dup2) X(pipe) X(poll) \
    X(epoll_wait) X(epoll_create) X(eventfd) X(getdents) X(time) X(arch_prctl) X(getpgrp) X(alarm) X(pause) X(utimes)
#else
#define HF_OLD_CALLS(X)
#endif

/* Calls whose numbers are newer than the headers that this may be built with: the same on every architecture. */
#ifndef SYS_io_uring_setup
#define SYS_io_uring_setup 425
#define SYS_io_uring_enter 426
#define SYS_io_uring_register 427
#endif
#ifndef SYS_clone3
#define SYS_clone3 435
#endif
#ifndef SYS_openat2
#define SYS_openat2 437
#endif
#ifndef SYS_faccessat2
#define SYS_faccessat2 439
#endif
#ifndef SYS_epoll_pwait2
#define SYS_epoll_pwait2 441
#endif

/* Found by running every test under the filter; each is there for a reason that its line names. */
#define HF_CALLS(X) \
    /* descriptors */ X(read) X(write) X(readv) X(writev) X(pread64) X(pwrite64) X(preadv) X(pwritev) X(close) X(dup) X(dup3) X(fcntl) \
    X(ioctl) X(lseek) X(sendfile) X(pipe2) X(eventfd2) \
    /* waiting */ X(ppoll) X(epoll_create1) X(epoll_ctl) X(epoll_pwait) X(epoll_pwait2) X(pselect6) \
    X(io_uring_setup) X(io_uring_enter) X(io_uring_register) \
    /* connections; new ones to stores of sessions */ X(accept) X(accept4) X(recvfrom) X(recvmsg) X(recvmmsg) X(sendto) X(sendmsg) \
    X(sendmmsg) X(shutdown) X(getsockopt) X(setsockopt) X(getsockname) X(getpeername) X(socketpair) X(connect) X(bind) \
    /* files that are served; logs; stores on the disk */ X(openat) X(openat2) X(newfstatat) X(fstat) X(statx) X(statfs) X(fstatfs) \
    X(getdents64) X(readlinkat) X(faccessat) X(faccessat2) X(getcwd) X(flock) X(fsync) X(fdatasync) X(ftruncate) X(fallocate) \
    X(unlinkat) X(renameat) X(renameat2) X(mkdirat) X(fchmod) X(fchmodat) X(fchown) X(utimensat) X(umask) X(fadvise64) X(fgetxattr) X(lgetxattr) \
    /* memory */ X(brk) X(mmap) X(munmap) X(mremap) X(madvise) X(memfd_create) X(membarrier) X(mincore) X(mlock) X(munlock) X(msync) \
    /* threads */ X(futex) X(set_robust_list) X(rseq) X(set_tid_address) X(sched_yield) X(sched_getaffinity) X(sched_setaffinity) \
    X(sched_getparam) X(sched_getscheduler) X(sched_get_priority_max) X(sched_get_priority_min) X(getcpu) X(exit) X(exit_group) X(gettid) \
    X(tgkill) \
    /* signals */ X(rt_sigaction) X(rt_sigprocmask) X(rt_sigreturn) X(rt_sigtimedwait) X(rt_sigpending) X(sigaltstack) X(restart_syscall) \
    /* time and chance */ X(clock_gettime) X(clock_getres) X(clock_nanosleep) X(nanosleep) X(gettimeofday) X(getrandom) \
    X(setitimer) X(getitimer) \
    /* who we are */ X(getpid) X(getppid) X(getuid) X(geteuid) X(getgid) X(getegid) X(getresuid) X(getresgid) X(getgroups) X(getpgid) \
    X(getsid) X(uname) X(sysinfo) X(getrusage) X(times) X(prlimit64) X(getrlimit) X(getpriority) X(capget)

#define HF_ALLOW(name) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##name, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
/* Answered with an error, so that the caller does without. */
#define HF_FAIL(number, error) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (error)),
/* Argument n, its low half: both architectures are little-endian. */
#define HF_LOAD(n) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args) + 8 * (n))

enum { NEWEST_KNOWN = 462 }; /* of the calls there were when this was written */

static const struct sock_filter rules[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, HF_OUR_ARCH, 1, 0),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    HF_CALLS(HF_ALLOW) HF_OLD_CALLS(HF_ALLOW)
    /* Threads are made by clone3, whose arguments no filter can see: libc does it by clone when there is no clone3. */
    HF_FAIL(SYS_clone3, ENOSYS)
    /* A newer libc tries newer calls first, and older ones when they are missing. */
    BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, NEWEST_KNOWN, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
    /* A clone is a thread, or it is refused. */
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 3), HF_LOAD(0),
    BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, CLONE_THREAD, 0, 6), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    /* Memory that was written does not become a program. */
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mprotect, 0, 5), HF_LOAD(2),
    BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, PROT_EXEC, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EACCES),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP), /* a clone that is no thread ends here */
    /* A socket is one of the three kinds that servers have: no packets by hand, no netlink of nobody knows what. */
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 6), HF_LOAD(0),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 1, 3, 0), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 2, 2, 0),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 10, 1, 0), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EAFNOSUPPORT),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    /* Names of threads and what is harmless beside; nothing that takes the filter off can be asked for anyway. */
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_prctl, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
};

/* ---- who is ended says why ------------------------------------------------------------------------------------- */

static hf_refused_call *told;

/* In the thread that asked, before its call was carried out. */
static void refused(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)context;
    atomic_store(told, info->si_syscall + 1);
    _exit(128 + SIGSYS);
}

hf_refused_call *hf_refused_call_new(void)
{
    void *page = mmap(NULL, sizeof(hf_refused_call), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return page != MAP_FAILED ? page : NULL;
}

const char *hf_serving_confine(hf_refused_call *to)
{
    const struct sock_fprog program = { .len = HF_COUNT(rules), .filter = (struct sock_filter *)rules };
    const struct sigaction action = { .sa_sigaction = refused, .sa_flags = SA_SIGINFO | SA_NODEFER };
    sigset_t set;
    if (HF_OUR_ARCH == 0)
        return "its system calls are not known on this architecture";
    if (HF_IS_SANITIZED)
        return "sanitizers are built in, and ask for more";
    if (to == NULL)
        return "out of memory";
    told = to;
    sigemptyset(&set);
    sigaddset(&set, SIGSYS);
    if (sigaction(SIGSYS, &action, NULL) != 0 || pthread_sigmask(SIG_UNBLOCK, &set, NULL) != 0)
        return strerror(errno);
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0)
        return NULL;
    return errno == EINVAL || errno == ENOSYS ? "this kernel has no seccomp" : strerror(errno);
}

/* ---- names ------------------------------------------------------------------------------------------------------ */

#define HF_REFUSED_CALLS(X) X(execve) X(execveat) X(clone) X(ptrace) X(process_vm_readv) X(process_vm_writev) X(mount) X(umount2) \
    X(unshare) X(setns) X(chroot) X(pivot_root) X(setuid) X(setgid) X(setreuid) X(setregid) X(setresuid) X(setresgid) X(setgroups) \
    X(capset) X(bpf) X(perf_event_open) X(keyctl) X(add_key) X(request_key) X(userfaultfd) X(kexec_load) X(init_module) \
    X(finit_module) X(delete_module) X(reboot) X(swapon) X(swapoff) X(sethostname) X(settimeofday) X(clock_settime) X(personality) \
    X(kill) X(tkill) X(rt_sigqueueinfo) X(wait4) X(waitid) X(listen) X(chdir) X(fchdir) X(symlinkat) X(linkat) X(mknodat) \
    X(fchownat) X(inotify_init1) X(inotify_add_watch) X(timerfd_create) X(timerfd_settime) X(signalfd4) X(splice) X(tee) X(vmsplice) \
    X(shmget) X(shmat) X(mlockall) X(setrlimit) X(sched_setparam) X(sched_setscheduler) X(setpriority) X(setsid) \
    X(setpgid) X(syslog) X(acct) X(quotactl) X(io_setup) X(io_submit) X(sync) X(setxattr) X(getxattr) X(fgetxattr) \
    X(name_to_handle_at) X(open_by_handle_at) X(fanotify_init) X(seccomp) X(copy_file_range) X(timer_create)
#ifdef __x86_64__
#define HF_OLD_REFUSED_CALLS(X) X(fork) X(vfork) X(symlink) X(link) X(mknod) X(chown) X(lchown) X(rmdir) X(iopl) X(ioperm) X(modify_ldt) X(creat)
#else
#define HF_OLD_REFUSED_CALLS(X)
#endif

const char *hf_call_name(int number, char *room, size_t size)
{
#define HF_NAME(name) { SYS_##name, #name },
    static const struct {
        int number;
        const char *name;
    } names[] = { HF_REFUSED_CALLS(HF_NAME) HF_OLD_REFUSED_CALLS(HF_NAME) HF_CALLS(HF_NAME) };
    for (size_t i = 0; i < HF_COUNT(names); i++)
        if (names[i].number == number)
            return names[i].name;
    snprintf(room, size, "call %d", number);
    return room;
}
