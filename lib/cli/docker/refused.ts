// Docker's options and commands that are refused here, with the reason and the alternative.
import type { OptionForm } from "../../base/command_line.ts";
import { readOptions } from "../command.ts";

const NO_IMAGES = "there are no images here, a sandbox has this machine's files";

/** The reasons against options, and what to do instead, by the commands that have them. */
const REFUSED_OPTIONS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "run": {
    "-p, --publish PORT; -P, --publish-all; --expose PORT":
      "every port of a sandbox is reachable at its own address, which ipvlan ps shows",
    [
      "-v, --volume PATH; --volumes-from NAME; --volume-driver NAME; --mount SPEC; --tmpfs PATH; " +
      "--read-only; --storage-opt OPT; --shm-size BYTES"
    ]: "a sandbox has this machine's files, so name the files as they are here; in a systemd " +
      "unit, BindPaths= and ReadOnlyPaths= change that",
    "--entrypoint COMMAND": `${NO_IMAGES}: write the command itself behind the options`,
    [
      "--platform NAME; --pull WHEN; -q, --quiet; --disable-content-trust; --isolation NAME; " +
      "--runtime NAME; --use-api-socket"
    ]: `${NO_IMAGES}: leave the option out`,
    "--restart POLICY":
      "nothing here supervises a command: write a systemd unit with Restart= and with " +
      "NetworkNamespacePath=/run/netns/NAME, in which the sandbox's network is the unit's",
    [
      "--health-cmd COMMAND; --health-interval TIME; --health-retries NUMBER; " +
      "--health-start-interval TIME; --health-start-period TIME; --health-timeout TIME; " +
      "--no-healthcheck"
    ]: "nothing here supervises a command: a site file has checks, which ipvlan apply runs",
    [
      "-m, --memory BYTES; --memory-reservation BYTES; --memory-swap BYTES; " +
      "--memory-swappiness NUMBER; --kernel-memory BYTES; --oom-kill-disable; " +
      "--oom-score-adj NUMBER; --pids-limit NUMBER; --cpus NUMBER; -c, --cpu-shares NUMBER; " +
      "--cpu-period TIME; --cpu-quota TIME; --cpu-rt-period TIME; --cpu-rt-runtime TIME; " +
      "--cpuset-cpus LIST; --cpuset-mems LIST; --cpu-count NUMBER; --cpu-percent NUMBER; " +
      "--blkio-weight NUMBER; --blkio-weight-device SPEC; --device-read-bps SPEC; " +
      "--device-read-iops SPEC; --device-write-bps SPEC; --device-write-iops SPEC; " +
      "--io-maxbandwidth BYTES; --io-maxiops NUMBER; --ulimit SPEC; --cgroup-parent NAME; " +
      "--cgroupns MODE"
    ]: "a sandbox limits nothing but the network: start the command by systemd-run, such as " +
      "systemd-run --scope -p MemoryMax=1G ipvlan run …",
    [
      "--cap-add NAME; --cap-drop NAME; --security-opt OPT; --group-add GROUP; --device PATH; " +
      "--device-cgroup-rule RULE; --gpus SPEC"
    ]: "a command in a sandbox has your own rights and devices: start it by setpriv, such as " +
      "ipvlan run … setpriv --bounding-set=-all COMMAND",
    "--pid MODE; --ipc MODE; --uts MODE; --userns MODE":
      "a sandbox is a namespace of the network only: start the command by unshare or nsenter " +
      "for the others, such as ipvlan run … unshare --pid --fork COMMAND",
    "--init": "this machine's init cleans up after the command: leave the option out",
    "--cidfile FILE":
      "a sandbox is known by its name: choose it with --name, or read what run -d prints",
    "--log-driver NAME; --log-opt OPT":
      "what a command prints after run -d is kept for ipvlan logs: pipe it elsewhere in the " +
      "command itself",
    "--stop-signal SIGNAL; --stop-timeout SECONDS":
      "give them when you stop the sandbox: ipvlan stop --signal SIGNAL --timeout SECONDS",
    "-a, --attach STREAM; --sig-proxy":
      "without --detach, a command has this terminal's output and signals, and with " +
      "--interactive also its input: leave the option out",
    "--domainname NAME": "write the whole name: --hostname HOST.DOMAIN",
    "--label-file FILE; --annotation NAME=VALUE": "give each label by itself: --label NAME=VALUE",
  },
  "run, exec": {
    "--privileged": "a command in a sandbox has your own rights already: leave the option out",
    "--detach-keys KEYS": "no key detaches from a command: start it with --detach",
  },
  "run, network connect": {
    "--link NAME": "the sandboxes of a network find each other by name: give another name with " +
      "--network-alias at run, or --alias at connect",
  },
  "network create": {
    "--config-from NETWORK; --config-only; --ingress":
      "it is for a swarm of several machines, and ipvlan is for one: give the options of the " +
      "network itself on each machine",
  },
  "rm": {
    "-l, --link":
      "there are no links between sandboxes: disconnect one with ipvlan network disconnect",
  },
  "ps, inspect": {
    "-s, --size": "a sandbox has no files of its own, so it has no size: leave the option out",
  },
  "logs": {
    "--details; --since TIME; --until TIME; -t, --timestamps":
      "what a command prints is kept as it is, without times: use --tail, or start the command " +
      "by systemd-run for the journal",
  },
};

export function refusalsOf(command: string): [option: string, why: string][] {
  return Object.entries(REFUSED_OPTIONS)
    .filter(([commands]) => commands.split(", ").includes(command))
    .flatMap(([, refused]) => apart(refused, "; "));
}

export function refusedOptions(command: string): OptionForm[] {
  const options = readOptions(Object.fromEntries(refusalsOf(command)));
  return options.map((option) => ({ ...option, refused: option.help }));
}

export const REFUSED_COMMANDS: Readonly<Record<string, string>> = {
  [
    "build, builder, buildx, commit, history, image, images, import, load, login, logout, " +
    "manifest, pull, push, rmi, save, search, tag, trust"
  ]: `${NO_IMAGES}: install programs here`,
  "compose": "write networks and sandboxes into a site file, and use ipvlan apply FILE",
  "cp": "a sandbox has this machine's files: use cp itself",
  "create":
    "ipvlan run -d without a command makes a sandbox that runs nothing, ipvlan network create " +
    "makes a network",
  "start, restart":
    "a sandbox stays when its command has ended: run one in it with ipvlan exec -d NAME COMMAND; " +
    "ipvlan restore brings back all sandboxes after a restart of the machine",
  "container prune":
    "a sandbox is kept until it is removed, also after a restart: ipvlan rm NAME, for all those " +
    "that are down ipvlan rm $(ipvlan ps -q --filter status=down)",
  "container attach":
    "what a command prints after run -d is kept: read it with ipvlan logs --follow NAME, and start " +
    "a shell with ipvlan exec -it NAME sh",
  "container diff, container export":
    "a sandbox has this machine's files and none of its own: use tar",
  "pause": "use ipvlan kill --signal STOP NAME",
  "unpause": "use ipvlan kill --signal CONT NAME",
  "rename":
    "the name of a sandbox is that of its network namespace: remove it, and run it anew with --name",
  "port":
    "no ports are published, every port is reachable at the sandbox's own address: see ipvlan ps",
  "top": "list the processes of a sandbox with ip netns pids NAME",
  "stats": "count packets with ip -n NAME -s link, and list processes with ip netns pids NAME",
  "events": "there is no daemon: follow every change of the network with ip monitor",
  "info, system": "there is no daemon: ipvlan doctor says what this machine can do",
  "config, context, plugin, checkpoint": "there is no daemon to configure: leave the command out",
  "node, secret, service, stack, swarm":
    "ipvlan is for one machine: use the same site file on each, with ipvlan apply FILE",
  "update": "a sandbox limits nothing but the network: use systemctl set-property on a unit",
  "volume": "a sandbox has this machine's files, so there are no volumes: use its folders",
};

/** The reason why a Docker command such as `image ls` is refused; `undefined` if it is not. */
export function whyRefused([first = "", second = ""]: readonly string[]): string | undefined {
  const names = first === "container" ? [second, `container ${second}`] : [first];
  return refusedCommands().find(([command]) => names.includes(command))?.[1];
}

export function refusedCommands(): [command: string, why: string][] {
  return apart(REFUSED_COMMANDS, ", ");
}

/** Lists each name by itself that a table has together with others. */
function apart(
  table: Readonly<Record<string, string>>,
  separator: string,
): [name: string, why: string][] {
  return Object.entries(table)
    .flatMap(([names, why]) => names.split(separator).map((name): [string, string] => [name, why]));
}
