import { QueryClientProvider } from '@tanstack/react-query';
import { RouterProvider } from '@tanstack/react-router';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { ME } from '../api/me.ts';
import { createQueryClient } from '../api/query-client.ts';
import '../parts/theme.css';
import { router } from './routes.tsx';

const queries = createQueryClient();
// Asked while the view is fetched, and not after it: nothing is shown before the answer.
void queries.prefetchQuery(ME);

const root = document.getElementById('root');
if (root !== null)
  createRoot(root).render(
    <StrictMode>
      <QueryClientProvider client={queries}>
        <RouterProvider router={router} />
      </QueryClientProvider>
    </StrictMode>,
  );
