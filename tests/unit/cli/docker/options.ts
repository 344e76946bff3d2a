/**
 * Docker's commands and their options, from its reference
 * (https://docs.docker.com/reference/cli/docker/, Docker 29).
 *
 * @module
 */

/** The options of the commands that ipvlan has too, as one-letter names and long names. */
export const DOCKER_OPTIONS: Readonly<Record<string, string>> = {
  "network create": "attachable aux-address config-from config-only d driver gateway ingress " +
    "internal ip-range ipam-driver ipam-opt ipv4 ipv6 label o opt scope subnet",
  "network connect": "alias driver-opt gw-priority ip ip6 link link-local-ip",
  "network disconnect": "f force",
  "network inspect": "f format v verbose",
  "network ls": "f filter format no-trunc q quiet",
  "network prune": "filter f force",
  "network rm": "f force",
  "run": "add-host annotation a attach blkio-weight blkio-weight-device cap-add cap-drop " +
    "cgroup-parent cgroupns cidfile cpu-count cpu-percent cpu-period cpu-quota cpu-rt-period " +
    "cpu-rt-runtime c cpu-shares cpus cpuset-cpus cpuset-mems d detach detach-keys device " +
    "device-cgroup-rule device-read-bps device-read-iops device-write-bps device-write-iops " +
    "disable-content-trust dns dns-opt dns-option dns-search domainname entrypoint e env env-file " +
    "expose gpus group-add health-cmd health-interval health-retries health-start-interval " +
    "health-start-period health-timeout h hostname init i interactive io-maxbandwidth io-maxiops " +
    "ip ip6 ipc isolation kernel-memory l label label-file link link-local-ip log-driver log-opt " +
    "mac-address m memory memory-reservation memory-swap memory-swappiness mount name net " +
    "net-alias network network-alias no-healthcheck oom-kill-disable oom-score-adj pid pids-limit " +
    "platform privileged p publish P publish-all pull q quiet read-only restart rm runtime " +
    "security-opt shm-size sig-proxy stop-signal stop-timeout storage-opt sysctl tmpfs t tty " +
    "ulimit use-api-socket u user userns uts v volume volume-driver volumes-from w workdir",
  "exec": "d detach detach-keys e env env-file i interactive privileged t tty u user w workdir",
  "ps": "a all f filter format n last l latest no-trunc q quiet s size",
  "rm": "f force l link v volumes",
  "inspect": "f format s size type",
  "stop": "s signal t timeout time",
  "kill": "s signal",
  "wait": "",
  "logs": "details f follow since n tail t timestamps until",
};

/** All commands, without those of the groups `network` and `container`. */
export const DOCKER_COMMANDS = "attach build builder buildx checkpoint commit compose config " +
  "context cp create diff events exec export history image images import info inspect kill load " +
  "login logout logs manifest node pause plugin port ps pull push rename restart rm rmi run save " +
  "search secret service stack start stats stop swarm system tag top trust unpause update version " +
  "volume wait";

/** The commands of the group `container`. */
export const CONTAINER_COMMANDS =
  "attach commit cp create diff exec export inspect kill list logs " +
  "ls pause port prune ps remove rename restart rm run start stats stop top unpause update wait";

/** The commands of the group `network`. */
export const NETWORK_COMMANDS = "connect create disconnect inspect list ls prune remove rm";
