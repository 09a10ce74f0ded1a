/** How many files a second a database of so many capacity units bears: read by the bill, the simulation of a day and the stacks. */

export const DATABASE_CAPACITY = {
  /** Of PostgreSQL, from a file's registration to its archive. */
  cpuMsPerFile: 2.6,
  source: '`npm run bench -- growth`, two quiet cores, 10,000,000 finished files',
  /** Aurora Serverless v2: 2 GiB with the processors that they have elsewhere (`db.r6g.large`: 2 for 16 GiB). Not measured there. */
  processorsPerUnit: 0.25,
} as const;

/** At full use. */
export function databaseFilesPerSecond(capacityUnits: number): number {
  const { cpuMsPerFile, processorsPerUnit } = DATABASE_CAPACITY;
  return (capacityUnits * processorsPerUnit * 1_000) / cpuMsPerFile;
}
