// What podman 4.3.1 writes for a confidential image without options, shortened.
#pragma once

#include "base/json.hpp"
#include "runtime/rewrite.hpp"
#include "unit/guest_abi/sample.hpp"

namespace bartizan::runtime {

inline Json sample_config() {
  return Json::parse(R"({"ociVersion":"1.0.2-dev",
    "process":{"user":{"uid":0,"gid":0,"umask":18},"args":["/entrypoint"],
      "env":["TERM=xterm","container=podman","PATH=/usr/bin:/bin","HOSTNAME=0068e76472d8"],
      "cwd":"/","capabilities":{"bounding":["CAP_CHOWN","CAP_KILL"]},
      "rlimits":[{"type":"RLIMIT_NOFILE","hard":20000,"soft":20000}]},
    "root":{"path":"rootfs"},"hostname":"0068e76472d8",
    "mounts":[
      {"destination":"/proc","type":"proc","source":"proc","options":["nosuid","noexec","nodev"]},
      {"destination":"/dev","type":"tmpfs","source":"tmpfs","options":["nosuid","mode=755"]},
      {"destination":"/sys","type":"sysfs","source":"sysfs","options":["nosuid","ro"]},
      {"destination":"/dev/pts","type":"devpts","source":"devpts"},
      {"destination":"/dev/mqueue","type":"mqueue","source":"mqueue"},
      {"destination":"/etc/hosts","type":"bind","source":"/run/userdata/hosts"},
      {"destination":"/dev/shm","type":"bind","source":"/run/userdata/shm"},
      {"destination":"/run/.containerenv","type":"bind","source":"/run/userdata/.containerenv"},
      {"destination":"/etc/hostname","type":"bind","source":"/run/userdata/hostname"},
      {"destination":"/sys/fs/cgroup","type":"cgroup","source":"cgroup"}],
    "annotations":{"io.container.manager":"libpod",
      "org.bartizan.source.digest":"sha256:aaf5","org.bartizan.workload.id":"web",
      "org.bartizan.workload.digest":"sha256:ac01"},
    "linux":{"resources":{"devices":[{"allow":false,"access":"rwm"}],"pids":{"limit":2048}},
      "namespaces":[{"type":"pid"},{"type":"network"},{"type":"mount"}],
      "seccomp":{"defaultAction":"SCMP_ACT_ERRNO"},
      "maskedPaths":["/proc/kcore"]}})");
}

inline Launch sample_launch() {
  Launch launch;
  launch.image.manifest = sample_manifest();
  launch.image.ram_mib = 512;
  launch.tee = Tee::simulated;
  launch.files = {{"/usr/lib/libc.so.6", "/run/.bartizan/lib/libc.so.6"},
                  {"/usr/bin/bartizan", std::string(kProgram)}};
  launch.bundle = "/usr/share/bartizan/bundle";
  launch.devices = {{"/dev/kvm", 10, 232}};
  return launch;
}

}  // namespace bartizan::runtime
