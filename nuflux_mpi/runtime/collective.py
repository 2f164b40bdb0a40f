"""Doing a thing once and agreeing on it: helpers over a communicator, for everything outside the time loop."""

from functools import cache

from ..errors import NufluxError


def on_root(comm, function, *arguments, **keywords):
    """Call `function` on rank 0 only and return its result on all ranks (pickled).

    An error of ours (NufluxError) is raised on all ranks alike, so that they end together; any other exception is a
    defect and ends the job from rank 0. Collective.
    """
    result = problem = None
    if comm.Get_rank() == 0:
        try:
            result = function(*arguments, **keywords)
        except NufluxError as error:
            problem = error
    result, problem = comm.bcast((result, problem))
    if problem is not None:
        raise problem
    return result


def any_rank(comm, flag):
    """Whether `flag` is true on any rank. Collective."""
    from mpi4py import MPI

    return bool(comm.allreduce(bool(flag), op=MPI.LOR)) if comm.Get_size() > 1 else bool(flag)


def largest(comm, number):
    """The largest of a number over the ranks. Collective."""
    from mpi4py import MPI

    return comm.allreduce(number, op=MPI.MAX) if comm.Get_size() > 1 else number


def first_problem(comm, text):
    """The first text over the ranks that is not empty, or "". Collective."""
    return next(filter(None, comm.allgather(text)), "")


@cache
def key_of(what):
    """The key under which communicators of this process remember something (MPI's attributes). Local."""
    from mpi4py import MPI

    return MPI.Comm.Create_keyval()
