// Tests of Docker 26.1 in a guest of the lab.
import { dockerTests } from "./docker.ts";
import { ipamTests } from "./docker_ipam.ts";
import { clusterTests, pluginTests } from "./docker_plugin.ts";

dockerTests("26.1");
pluginTests("26.1");
clusterTests("26.1");
ipamTests("26.1");
