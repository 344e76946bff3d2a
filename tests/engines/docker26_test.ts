// Tests of Docker 26.1 in a guest of the lab.
import { dockerTests } from "./docker.ts";
import { ipamTests } from "./docker_ipam.ts";
import { liveTest } from "./docker_live.ts";
import { managedTest } from "./docker_managed.ts";
import { composeTest, pluginTest } from "./docker_plugin.ts";

dockerTests("26.1");
pluginTest("26.1");
composeTest("26.1");
ipamTests("26.1");
liveTest("26.1");
managedTest("26.1");
