// Tests of Docker 26.1 in a guest of the lab.
import { dockerTests } from "./docker.ts";
import { clusterTests, pluginTests } from "./docker_plugin.ts";

dockerTests("26.1");
pluginTests("26.1");
clusterTests("26.1");
