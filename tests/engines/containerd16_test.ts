// Tests of containerd 1.6 in a guest of the lab.
import { containerdTests } from "./containerd.ts";

containerdTests("1.6", "1.0.0");
