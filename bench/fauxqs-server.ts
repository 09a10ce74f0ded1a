/** A fauxqs in its own process, so that its work is not measured as ours. Prints its address, ends with its parent. */
import { startFauxqs } from 'fauxqs';

const server = await startFauxqs({ port: 0, logger: false, host: '127.0.0.1' });
process.send?.({ endpoint: `http://127.0.0.1:${server.port}` });
process.on('disconnect', () => process.exit(0));
