// Tests of containerd 2.1 in a guest of the lab.
import { containerdTests } from "./containerd.ts";

containerdTests("2.1", "1.1.0");
