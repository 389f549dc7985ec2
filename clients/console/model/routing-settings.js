/** The settings of a tenant or a department as an admin edits them: which, of what kind, and where an error belongs. */

import { BadMessageError } from "../../js/src/index.js";

/** @typedef {import("../../js/src/index.js").Client} Client */

/**
 * A setting with a control.
 *
 * @typedef {{ name: string, kind: "seconds" | "number" | "rule" | "reasons" }
 *   | { name: string, kind: "choice", choices: readonly string[] }} Field
 */

/** Those of departments; a tenant has them for the departments that do not set them. @type {readonly Field[]} */
export const DEPARTMENT_FIELDS = [
  { name: "answer_ms", kind: "seconds" },
  { name: "missed_max", kind: "number" },
  { name: "pending_ms", kind: "seconds" },
  { name: "pending_then", kind: "choice", choices: ["return", "department"] },
  { name: "pending_take", kind: "choice", choices: ["by_hand", "when_available"] },
  { name: "after_grace", kind: "choice", choices: ["department", "pending"] },
  { name: "rule", kind: "rule" },
];

/** @type {readonly Field[]} */
export const TENANT_FIELDS = [...DEPARTMENT_FIELDS, { name: "reasons", kind: "reasons" }];

/**
 * The settings of a level.
 *
 * @typedef {object} Level
 * @property {Readonly<Record<string, unknown>>} values What holds, by name.
 * @property {readonly string[]} own The names that this level sets itself; of a tenant's the router does not say.
 */

/**
 * Read the settings of a department, or of the tenant.
 *
 * @param {Client} client
 * @param {string | null} departmentId
 * @returns {Promise<Level>}
 */
export async function readSettings(client, departmentId) {
  if (departmentId === null) return { values: await client.settings.get(), own: [] };
  const { settings, effective } = await client.departments.get(departmentId);
  return { values: effective, own: Object.keys(settings) };
}

/**
 * Change settings; null puts one back to what it is without.
 *
 * @param {Client} client
 * @param {{ id: string, name: string } | null} department
 * @param {Record<string, unknown>} settings
 */
export async function putSettings(client, department, settings) {
  if (department === null) await client.settings.put(settings);
  else await client.departments.put(department.id, department.name, { settings });
}

/**
 * Return the name of the setting that the router refused, or null.
 *
 * @param {unknown} error
 */
export function refusedSetting(error) {
  if (!(error instanceof BadMessageError)) return null;
  return /\.settings\.(\w+)/.exec(error.path ?? "")?.[1] ?? null;
}
