// Tests of Docker 26.1 in a guest of the lab.
import { dockerTests } from "./docker.ts";
import { pluginTests, twoHostsTest } from "./docker_plugin.ts";

dockerTests("26.1");
pluginTests("26.1");
twoHostsTest("26.1");
