// Tests of Docker 26.1 and etcd in a guest of the lab.
import { namesTests } from "./docker_names.ts";

namesTests("26.1");
