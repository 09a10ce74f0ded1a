/** The test file that every scanner must find (eicar.org). In pieces, so that a scanner that reads this source does not find it. */
export const EICAR = ['X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR', '-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*'].join('');
