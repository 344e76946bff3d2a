// Tests of Docker 20.10 and etcd in a guest of the lab.
import { namesTests } from "./docker_names.ts";

namesTests("20.10");
