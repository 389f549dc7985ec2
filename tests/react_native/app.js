import { Client, HttpClient, Target } from "relevo-client";

globalThis.relevo = { Client, HttpClient, Target };
