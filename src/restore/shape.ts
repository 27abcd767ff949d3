/** The parts of a snapshot's manifest that compatibility is decided on. */
export interface SnapshotOperator {
  readonly uid: string;
  readonly keyType: string | null;
}

export interface SnapshotTable {
  readonly operator: string;
  readonly name: string;
  readonly kind: string;
  readonly codec: { readonly id: string; readonly version: number };
  readonly schemaVersion: number;
  readonly mapKey: string | null;
  readonly entries: number;
  readonly bytes: number;
}
