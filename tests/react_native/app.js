import { Client, HttpClient, Target } from "relevo-client";
// The example of the README, which the test writes there.
import "./build/readme.js";

globalThis.relevo = { Client, HttpClient, Target };
