/* What libkrun.so.1 and libkrun-sev.so.1 of this project export: the functions of libkrun 1.19, by
 * name and by the types of their parameters, so that crun and other programs that were made for
 * libkrun find what they look for. Programs compile against libkrun's own header; this one is for
 * the definitions here and for their tests, and is not installed.
 *
 * All return 0 or more, or the negative of an errno. docs/runtimes.md lists what each does. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define KRUN_API __attribute__((visibility("default")))

/* Contexts */
KRUN_API int32_t krun_create_ctx(void);
KRUN_API int32_t krun_free_ctx(uint32_t ctx);
KRUN_API int32_t krun_start_enter(uint32_t ctx);
KRUN_API int32_t krun_get_shutdown_eventfd(uint32_t ctx);

/* The log, of the whole process */
KRUN_API int32_t krun_set_log_level(uint32_t level);
KRUN_API int32_t krun_init_log(int fd, uint32_t level, uint32_t style, uint32_t options);

/* The confidential image */
KRUN_API int32_t krun_set_root_disk(uint32_t ctx, const char* path);
KRUN_API int32_t krun_set_data_disk(uint32_t ctx, const char* path);
KRUN_API int32_t krun_add_disk(uint32_t ctx, const char* id, const char* path, bool read_only);
KRUN_API int32_t krun_add_disk2(uint32_t ctx, const char* id, const char* path, uint32_t format,
                                bool read_only);
KRUN_API int32_t krun_add_disk3(uint32_t ctx, const char* id, const char* path, uint32_t format,
                                bool read_only, bool direct_io, uint32_t sync);
KRUN_API int32_t krun_set_tee_config_file(uint32_t ctx, const char* path);
KRUN_API int32_t krun_set_vm_config(uint32_t ctx, uint8_t vcpus, uint32_t ram_mib);

/* Ways in and out */
KRUN_API int32_t krun_set_port_map(uint32_t ctx, const char* const ports[]);
KRUN_API int32_t krun_add_vsock_port(uint32_t ctx, uint32_t port, const char* path);
KRUN_API int32_t krun_add_vsock_port2(uint32_t ctx, uint32_t port, const char* path, bool listen);

/* The process */
KRUN_API int32_t krun_setuid(uint32_t ctx, uint32_t uid);
KRUN_API int32_t krun_setgid(uint32_t ctx, uint32_t gid);

/* Questions */
KRUN_API int32_t krun_has_feature(uint64_t feature);
KRUN_API int32_t krun_get_max_vcpus(void);
KRUN_API int32_t krun_check_nested_virt(void);

/* The workload, which a confidential image has inside: accepted without effect, as by libkrun */
KRUN_API int32_t krun_set_exec(uint32_t ctx, const char* path, const char* const argv[],
                               const char* const envp[]);
KRUN_API int32_t krun_set_env(uint32_t ctx, const char* const envp[]);
KRUN_API int32_t krun_set_workdir(uint32_t ctx, const char* path);
KRUN_API int32_t krun_set_rlimits(uint32_t ctx, const char* const limits[]);

/* Without effect here, and accepted as libkrun does that was built without them */
KRUN_API int32_t krun_set_gpu_options(uint32_t ctx, uint32_t flags);
KRUN_API int32_t krun_set_gpu_options2(uint32_t ctx, uint32_t flags, uint64_t window);
KRUN_API int32_t krun_set_snd_device(uint32_t ctx, bool enable);
KRUN_API int32_t krun_split_irqchip(uint32_t ctx, bool enable);
KRUN_API int32_t krun_disable_implicit_init(uint32_t ctx);

/* Refused: a folder of the host as the guest's root */
KRUN_API int32_t krun_set_root(uint32_t ctx, const char* path);
KRUN_API int32_t krun_add_virtiofs(uint32_t ctx, const char* tag, const char* path);
KRUN_API int32_t krun_add_virtiofs2(uint32_t ctx, const char* tag, const char* path,
                                    uint64_t window);
KRUN_API int32_t krun_add_virtiofs3(uint32_t ctx, const char* tag, const char* path,
                                    uint64_t window, bool read_only);
KRUN_API int32_t krun_set_mapped_volumes(uint32_t ctx, const char* const volumes[]);
KRUN_API int32_t krun_fs_add_overlay_file(uint32_t ctx, const char* tag, const char* path,
                                          const uint8_t* data, size_t size, uint32_t mode,
                                          bool once);
KRUN_API int32_t krun_fs_add_overlay_dir(uint32_t ctx, const char* tag, const char* path,
                                         uint32_t mode);
KRUN_API int32_t krun_set_root_disk_remount(uint32_t ctx, const char* device, const char* type,
                                            const char* options);
KRUN_API int32_t krun_get_default_init(const uint8_t** data, size_t* size);

/* Refused: another kernel, firmware or configuration than the measured ones */
KRUN_API int32_t krun_set_kernel(uint32_t ctx, const char* path, uint32_t format,
                                 const char* initramfs, const char* command_line);
KRUN_API int32_t krun_set_firmware(uint32_t ctx, const char* path);
KRUN_API int32_t krun_set_kernel_console(uint32_t ctx, const char* console);
KRUN_API int32_t krun_set_smbios_oem_strings(uint32_t ctx, const char* const strings[]);
KRUN_API int32_t krun_set_nested_virt(uint32_t ctx, bool enable);

/* Refused: another network, vsock or console than the machine's own */
KRUN_API int32_t krun_add_net_unixstream(uint32_t ctx, const char* path, int fd, uint8_t* mac,
                                         uint32_t features, uint32_t flags);
KRUN_API int32_t krun_add_net_unixgram(uint32_t ctx, const char* path, int fd, uint8_t* mac,
                                       uint32_t features, uint32_t flags);
KRUN_API int32_t krun_add_net_tap(uint32_t ctx, char* name, uint8_t* mac, uint32_t features,
                                  uint32_t flags);
KRUN_API int32_t krun_set_passt_fd(uint32_t ctx, int fd);
KRUN_API int32_t krun_set_gvproxy_path(uint32_t ctx, char* path);
KRUN_API int32_t krun_set_net_mac(uint32_t ctx, uint8_t* mac);
KRUN_API int32_t krun_add_vsock(uint32_t ctx, uint32_t features);
KRUN_API int32_t krun_disable_implicit_vsock(uint32_t ctx);
KRUN_API int32_t krun_set_console_output(uint32_t ctx, const char* path);
KRUN_API int32_t krun_disable_implicit_console(uint32_t ctx);
KRUN_API int32_t krun_add_virtio_console_default(uint32_t ctx, int in, int out, int err);
KRUN_API int32_t krun_add_serial_console_default(uint32_t ctx, int in, int out);
KRUN_API int32_t krun_add_virtio_console_multiport(uint32_t ctx);
KRUN_API int32_t krun_add_console_port_tty(uint32_t ctx, uint32_t console, const char* name,
                                           int fd);
KRUN_API int32_t krun_add_console_port_inout(uint32_t ctx, uint32_t console, const char* name,
                                             int in, int out);

/* Refused: displays and input */
KRUN_API int32_t krun_add_display(uint32_t ctx, uint32_t width, uint32_t height);
KRUN_API int32_t krun_display_set_edid(uint32_t ctx, uint32_t display, const uint8_t* data,
                                       size_t size);
KRUN_API int32_t krun_display_set_dpi(uint32_t ctx, uint32_t display, uint32_t dpi);
KRUN_API int32_t krun_display_set_physical_size(uint32_t ctx, uint32_t display, uint16_t width,
                                                uint16_t height);
KRUN_API int32_t krun_display_set_refresh_rate(uint32_t ctx, uint32_t display, uint32_t rate);
KRUN_API int32_t krun_set_display_backend(uint32_t ctx, const void* backend, size_t size);
KRUN_API int krun_add_input_device(uint32_t ctx, const void* config, size_t config_size,
                                   const void* events, size_t events_size);
KRUN_API int krun_add_input_device_fd(uint32_t ctx, int fd);

#ifdef __cplusplus
}
#endif
