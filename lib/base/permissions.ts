/** Whether the script has a permission. Without this check, Deno would ask for it at the terminal. */
export function isGranted(permission: Deno.PermissionDescriptor): boolean {
  return Deno.permissions.querySync(permission).state === "granted";
}
